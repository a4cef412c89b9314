"""The network of the task: nothing may come in, and it reaches AWS without a NAT gateway."""

from __future__ import annotations

from aws_cdk import Fn, Stack
from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from infra.cdk import nag
from infra.cdk.config import Config

# The services that the task calls. S3 and the table have gateway endpoints, which cost nothing.
PRIVATE_CALLS = {
    "EcrApi": ec2.InterfaceVpcEndpointAwsService.ECR,
    "EcrDocker": ec2.InterfaceVpcEndpointAwsService.ECR_DOCKER,
    "Logs": ec2.InterfaceVpcEndpointAwsService.CLOUDWATCH_LOGS,
    "Sns": ec2.InterfaceVpcEndpointAwsService.SNS,
}


ADDRESSES = "10.42.0.0/16"


class Network(Construct):
    """A VPC, and a security group without any inbound rule.

    ``environment``: the worker's settings for its way to AWS. ``public``: the task has a public address.
    """

    def __init__(self, scope: Construct, name: str, config: Config) -> None:
        super().__init__(scope, name)
        self.environment: dict[str, str] = {}
        self.public = config.network == "public"
        if config.vpc_id is not None:
            self.vpc = self._given(config.vpc_id, config.subnet_ids)
        else:
            self.vpc = self._new()
        self.security_group = ec2.SecurityGroup(
            self,
            "NothingComesIn",
            vpc=self.vpc,
            description="Battery Watch: nothing comes in",
            allow_all_outbound=False,
        )
        self.security_group.add_egress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(443), "AWS, by TLS alone")

    def _given(self, vpc_id: str, subnet_ids: tuple[str, ...]) -> ec2.IVpc:
        zones = [f"zone-{number}" for number, _ in enumerate(subnet_ids)]  # never used: the service names subnets
        return ec2.Vpc.from_vpc_attributes(
            self, "Vpc", vpc_id=vpc_id, availability_zones=zones, public_subnet_ids=[*subnet_ids]
        )

    def _new(self) -> ec2.Vpc:
        kind = ec2.SubnetType.PUBLIC if self.public else ec2.SubnetType.PRIVATE_ISOLATED
        vpc = ec2.Vpc(
            self,
            "Vpc",
            ip_addresses=ec2.IpAddresses.cidr(ADDRESSES),
            max_azs=2,
            nat_gateways=0,
            restrict_default_security_group=False,  # it would need a Lambda function; nothing uses that group
            subnet_configuration=[
                ec2.SubnetConfiguration(
                    name="worker",
                    subnet_type=kind,
                    cidr_mask=24,
                    # The service gives its task an address. Nothing else here gets one.
                    map_public_ip_on_launch=False if self.public else None,
                )
            ],
            gateway_endpoints={
                "S3": ec2.GatewayVpcEndpointOptions(service=ec2.GatewayVpcEndpointAwsService.S3),
                "Table": ec2.GatewayVpcEndpointOptions(service=ec2.GatewayVpcEndpointAwsService.DYNAMODB),
            },
        )
        nag.accept(
            vpc,
            "AwsSolutions-VPC7",
            "Flow logs of one task that takes no connection say nothing, and in a public subnet they cost by the scan.",
        )
        if not self.public:
            self._endpoints(vpc)
        return vpc

    def _endpoints(self, vpc: ec2.Vpc) -> None:
        calls = ec2.SecurityGroup(
            self, "Endpoints", vpc=vpc, description="Battery Watch: calls from its subnets", allow_all_outbound=False
        )
        calls.add_ingress_rule(ec2.Peer.ipv4(ADDRESSES), ec2.Port.tcp(443), "from the subnets")
        for name, service in PRIVATE_CALLS.items():
            vpc.add_interface_endpoint(name, service=service, security_groups=[calls], open=False)
        # The stream has no private name in the DNS, so the worker needs the name of the endpoint itself.
        # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/privatelink-streams.html
        streams = vpc.add_interface_endpoint(
            "Streams",
            service=ec2.InterfaceVpcEndpointService(f"com.amazonaws.{Stack.of(self).region}.dynamodb-streams", 443),
            private_dns_enabled=False,
            security_groups=[calls],
            open=False,
        )
        entry = Fn.select(0, streams.vpc_endpoint_dns_entries)  # the zone's id, a colon, the name
        self.environment["AWS_ENDPOINT_URL_DYNAMODB_STREAMS"] = f"https://{Fn.select(1, Fn.split(':', entry))}"
        # The gateway knows DynamoDB's name in the region, not the account's own endpoint.
        self.environment["AWS_ACCOUNT_ID_ENDPOINT_MODE"] = "disabled"
